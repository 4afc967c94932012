/// What becomes of a record that begins as an aggregate and cannot be taken apart.
///
/// Either way the event [`AggregateMalformed`](crate::Event::AggregateMalformed) says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum MalformedAggregates {
    /// It is delivered as it came, with all of its bytes. The default, as with the Java KCL (`AggregatorUtil.java`), which
    /// does so where the digest is wrong.
    #[default]
    Deliver,
    /// It is never delivered. The [failure policy](crate::processor::FailurePolicy) has it as if the processor had failed on
    /// it, and on it alone: what lies before is delivered and committed, it is tried again with the delays of the policy,
    /// and then the shard is blocked, the worker stops, or the record is skipped or sent to the on-failure destination
    /// as it came.
    Fail,
}
