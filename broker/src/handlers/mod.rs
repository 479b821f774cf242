//! One file per served API: what it does, and how it is refused.

pub(crate) mod api_versions;
mod create_topics;
mod delete_topics;
mod fetch;
mod find_coordinator;
mod init_producer_id;
mod list_offsets;
mod metadata;
mod offset_commit;
mod offset_fetch;
mod offset_for_leader_epoch;
mod produce;
