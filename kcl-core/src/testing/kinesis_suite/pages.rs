//! Listings of more than one page, and how long their tokens can be used.

use std::time::Duration;

use super::{Fixture, KinesisFixture, needs, shards};
use crate::ErrorKind;
use crate::model::StreamId;
use crate::stream::{ShardPageRequest, ShardPageToken};
use crate::testing::conformance::{Case, CaseResult, cases, check_eq, check_error, fail};

/// The token of a page can be used for 300 seconds (`ListShards`, Kinesis API reference): so long surely, ...
const ALMOST: Duration = Duration::from_secs(299);

/// ... and so long no more.
const BEYOND: Duration = Duration::from_secs(301);

pub(super) fn cases() -> Vec<Case<dyn KinesisFixture>> {
    cases![
        a_listing_comes_in_pages,
        a_page_can_be_asked_for_again,
        a_page_token_can_be_used_for_five_minutes,
        an_expired_page_token_is_worth_another_try,
        a_page_token_of_another_stream_is_refused,
        a_malformed_page_token_is_refused,
    ]
}

async fn a_listing_comes_in_pages(fixture: Fixture) -> CaseResult {
    let pages = Pages::new(&fixture).await?;
    let page = fixture.kinesis().list_shards(&pages.stream, &pages.second()).await?;
    check_eq("the number of shards on the second page", &page.shards.len(), &1)?;
    check_eq("the token of the second page", &page.next, &None)?;
    let listed = shards(&fixture, &pages.stream).await?;
    check_eq("the last shard", &listed.last(), &page.shards.first())?;
    check_eq("the number of shards", &listed.len(), &(pages.size + 1))
}

async fn a_page_can_be_asked_for_again(fixture: Fixture) -> CaseResult {
    let pages = Pages::new(&fixture).await?;
    let first = fixture.kinesis().list_shards(&pages.stream, &pages.second()).await?;
    let again = fixture.kinesis().list_shards(&pages.stream, &pages.second()).await?;
    check_eq("the second page, asked for again", &again.shards, &first.shards)
}

async fn a_page_token_can_be_used_for_five_minutes(fixture: Fixture) -> CaseResult {
    needs(&fixture, ALMOST)?;
    let pages = Pages::new(&fixture).await?;
    fixture.pass(ALMOST).await;
    fixture.kinesis().list_shards(&pages.stream, &pages.second()).await?;
    Ok(())
}

async fn an_expired_page_token_is_worth_another_try(fixture: Fixture) -> CaseResult {
    needs(&fixture, BEYOND)?;
    let pages = Pages::new(&fixture).await?;
    fixture.pass(BEYOND).await;
    let page = fixture.kinesis().list_shards(&pages.stream, &pages.second()).await;
    check_error("a page whose token has expired", page, ErrorKind::Transient)
}

async fn a_page_token_of_another_stream_is_refused(fixture: Fixture) -> CaseResult {
    let pages = Pages::new(&fixture).await?;
    let other = fixture.create_stream(1).await?;
    let page = fixture.kinesis().list_shards(&other, &pages.second()).await;
    check_error("a page of another stream", page, ErrorKind::Refused)
}

async fn a_malformed_page_token_is_refused(fixture: Fixture) -> CaseResult {
    let stream = fixture.create_stream(1).await?;
    let request = ShardPageRequest::Next(ShardPageToken("AAAAAAAAAAHnoTokenAtAll".to_owned()));
    let page = fixture.kinesis().list_shards(&stream, &request).await;
    check_error("a page", page, ErrorKind::Refused)
}

/// A stream of one shard more than a page holds, and the token of its second page.
struct Pages {
    stream: StreamId,
    size: usize,
    token: ShardPageToken,
}

impl Pages {
    async fn new(fixture: &Fixture) -> CaseResult<Self> {
        let Some(size) = fixture.shards_per_page() else {
            return fail(
                "this case needs a stream of more shards than a page holds, which its fixture cannot make",
            );
        };
        let stream = fixture.create_stream(size + 1).await?;
        let first = fixture.kinesis().list_shards(&stream, &ShardPageRequest::ALL).await?;
        check_eq("the number of shards on the first page", &first.shards.len(), &size)?;
        match first.next {
            Some(token) => Ok(Self { stream, size, token }),
            None => fail("the first page has no token for the second"),
        }
    }

    fn second(&self) -> ShardPageRequest {
        ShardPageRequest::Next(self.token.clone())
    }
}
