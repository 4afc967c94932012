//! Processors in any language: a child process for each shard, spoken to in the protocol of the `MultiLangDaemon`.

#![allow(dead_code)]

mod conversation;
mod messages;
mod progress;
