//! Every request and response, one file per API, listed here by key.
//!
//! Field names are Kafka's in Rust's spelling; where a response and its request share a name for
//! a struct, the response's is in the past tense or says what it holds. Defaults are Kafka's, except
//! that what can be null is null until something is said. In some requests null asks for all.

use std::{fmt::Debug, ops::RangeInclusive, sync::Arc};

#[allow(unused_imports, reason = "the tables draw on these as they need them")]
use bytes::Bytes;
#[allow(unused_imports, reason = "the tables draw on these as they need them")]
use uuid::Uuid;

use crate::{
    ErrorCode,
    table::{api, spec},
    wire::{DecodeError, Reader, Request, Struct, Type, Wire, Writer},
};

mod consumer_protocol;
mod shared;
pub use consumer_protocol::*;
pub use shared::*;

/// Lists the APIs: a module each, [`ApiKey`], and [`APIS`].
macro_rules! apis {
    ($($key:literal $name:ident $module:ident $request:ident)*) => {
        $( mod $module; pub use $module::*; )*

        /// The APIs this crate speaks, by Kafka's names and keys.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs, reason = "the names are Kafka's own")]
        #[repr(i16)]
        pub enum ApiKey { $( $name = $key ),* }

        /// The APIs this crate speaks, ordered by key.
        pub static APIS: &[Api] = &[$( Api::of::<$request>(ApiKey::$name) ),*];
    };
}

apis! {
     0 Produce                      produce                         ProduceRequest
     1 Fetch                        fetch                           FetchRequest
     2 ListOffsets                  list_offsets                    ListOffsetsRequest
     3 Metadata                     metadata                        MetadataRequest
     8 OffsetCommit                 offset_commit                   OffsetCommitRequest
     9 OffsetFetch                  offset_fetch                    OffsetFetchRequest
    10 FindCoordinator              find_coordinator                FindCoordinatorRequest
    11 JoinGroup                    join_group                      JoinGroupRequest
    12 Heartbeat                    heartbeat                       HeartbeatRequest
    13 LeaveGroup                   leave_group                     LeaveGroupRequest
    14 SyncGroup                    sync_group                      SyncGroupRequest
    15 DescribeGroups               describe_groups                 DescribeGroupsRequest
    16 ListGroups                   list_groups                     ListGroupsRequest
    17 SaslHandshake                sasl_handshake                  SaslHandshakeRequest
    18 ApiVersions                  api_versions                    ApiVersionsRequest
    19 CreateTopics                 create_topics                   CreateTopicsRequest
    20 DeleteTopics                 delete_topics                   DeleteTopicsRequest
    21 DeleteRecords                delete_records                  DeleteRecordsRequest
    22 InitProducerId               init_producer_id                InitProducerIdRequest
    23 OffsetForLeaderEpoch         offset_for_leader_epoch         OffsetForLeaderEpochRequest
    24 AddPartitionsToTxn           add_partitions_to_txn           AddPartitionsToTxnRequest
    25 AddOffsetsToTxn              add_offsets_to_txn              AddOffsetsToTxnRequest
    26 EndTxn                       end_txn                         EndTxnRequest
    27 WriteTxnMarkers              write_txn_markers               WriteTxnMarkersRequest
    28 TxnOffsetCommit              txn_offset_commit               TxnOffsetCommitRequest
    29 DescribeAcls                 describe_acls                   DescribeAclsRequest
    30 CreateAcls                   create_acls                     CreateAclsRequest
    31 DeleteAcls                   delete_acls                     DeleteAclsRequest
    32 DescribeConfigs              describe_configs                DescribeConfigsRequest
    33 AlterConfigs                 alter_configs                   AlterConfigsRequest
    34 AlterReplicaLogDirs          alter_replica_log_dirs          AlterReplicaLogDirsRequest
    35 DescribeLogDirs              describe_log_dirs               DescribeLogDirsRequest
    36 SaslAuthenticate             sasl_authenticate               SaslAuthenticateRequest
    37 CreatePartitions             create_partitions               CreatePartitionsRequest
    38 CreateDelegationToken        create_delegation_token         CreateDelegationTokenRequest
    39 RenewDelegationToken         renew_delegation_token          RenewDelegationTokenRequest
    40 ExpireDelegationToken        expire_delegation_token         ExpireDelegationTokenRequest
    41 DescribeDelegationToken      describe_delegation_token       DescribeDelegationTokenRequest
    42 DeleteGroups                 delete_groups                   DeleteGroupsRequest
    43 ElectLeaders                 elect_leaders                   ElectLeadersRequest
    44 IncrementalAlterConfigs      incremental_alter_configs       IncrementalAlterConfigsRequest
    45 AlterPartitionReassignments  alter_partition_reassignments   AlterPartitionReassignmentsRequest
    46 ListPartitionReassignments   list_partition_reassignments    ListPartitionReassignmentsRequest
    47 OffsetDelete                 offset_delete                   OffsetDeleteRequest
    48 DescribeClientQuotas         describe_client_quotas          DescribeClientQuotasRequest
    49 AlterClientQuotas            alter_client_quotas             AlterClientQuotasRequest
    50 DescribeUserScramCredentials describe_user_scram_credentials DescribeUserScramCredentialsRequest
    51 AlterUserScramCredentials    alter_user_scram_credentials    AlterUserScramCredentialsRequest
    55 DescribeQuorum               describe_quorum                 DescribeQuorumRequest
    57 UpdateFeatures               update_features                 UpdateFeaturesRequest
    60 DescribeCluster              describe_cluster                DescribeClusterRequest
    61 DescribeProducers            describe_producers              DescribeProducersRequest
    64 UnregisterBroker             unregister_broker               UnregisterBrokerRequest
    65 DescribeTransactions         describe_transactions           DescribeTransactionsRequest
    66 ListTransactions             list_transactions               ListTransactionsRequest
    68 ConsumerGroupHeartbeat       consumer_group_heartbeat        ConsumerGroupHeartbeatRequest
    69 ConsumerGroupDescribe        consumer_group_describe         ConsumerGroupDescribeRequest
    71 GetTelemetrySubscriptions    get_telemetry_subscriptions     GetTelemetrySubscriptionsRequest
    72 PushTelemetry                push_telemetry                  PushTelemetryRequest
    74 ListConfigResources          list_config_resources           ListConfigResourcesRequest
    75 DescribeTopicPartitions      describe_topic_partitions       DescribeTopicPartitionsRequest
    76 ShareGroupHeartbeat          share_group_heartbeat           ShareGroupHeartbeatRequest
    77 ShareGroupDescribe           share_group_describe            ShareGroupDescribeRequest
    78 ShareFetch                   share_fetch                     ShareFetchRequest
    79 ShareAcknowledge             share_acknowledge               ShareAcknowledgeRequest
    80 AddRaftVoter                 add_raft_voter                  AddRaftVoterRequest
    81 RemoveRaftVoter              remove_raft_voter               RemoveRaftVoterRequest
    88 StreamsGroupHeartbeat        streams_group_heartbeat         StreamsGroupHeartbeatRequest
    89 StreamsGroupDescribe         streams_group_describe          StreamsGroupDescribeRequest
    90 DescribeShareGroupOffsets    describe_share_group_offsets    DescribeShareGroupOffsetsRequest
    91 AlterShareGroupOffsets       alter_share_group_offsets       AlterShareGroupOffsetsRequest
    92 DeleteShareGroupOffsets      delete_share_group_offsets      DeleteShareGroupOffsetsRequest
    93 StreamsGroupTopologyDescriptionUpdate
        streams_group_topology_description_update StreamsGroupTopologyDescriptionUpdateRequest
    94 UnregisterController         unregister_controller           UnregisterControllerRequest
}

/// One API as data, for code that handles messages without knowing them: tests, fuzz targets,
/// proxies and tools.
#[derive(Debug)]
pub struct Api {
    /// Its key.
    pub key: ApiKey,
    /// Kafka's name of it, such as `Fetch`.
    pub name: &'static str,
    /// The versions this crate speaks.
    pub versions: RangeInclusive<i16>,
    /// The first flexible version (KIP-482).
    pub flexible: i16,
    /// The request.
    pub request: Codec,
    /// The response.
    pub response: Codec,
}

/// How to read one message without knowing its type.
#[derive(Debug)]
pub struct Codec {
    /// The message in Kafka's schema language.
    pub schema: Type,
    /// Reads the message.
    pub decode: fn(&mut Reader<'_>) -> Result<Box<dyn Message>, DecodeError>,
    /// Makes a random message.
    #[cfg(any(test, feature = "any"))]
    pub any: fn(&mut crate::wire::any::Gen) -> Box<dyn Message>,
}

/// Any request or response.
pub trait Message: Debug + Send {
    /// Appends the message; see [`Wire::encode`].
    fn encode(&self, w: &mut Writer);
}

impl<T: Struct + Debug + Send> Message for T {
    fn encode(&self, w: &mut Writer) {
        Wire::encode(self, w);
    }
}

impl Api {
    #[cfg(not(any(test, feature = "any")))]
    const fn of<R: Request>(key: ApiKey) -> Self {
        Self::with::<R>(key, Codec::of::<R>(), Codec::of::<R::Response>())
    }

    #[cfg(any(test, feature = "any"))]
    const fn of<R>(key: ApiKey) -> Self
    where
        R: Request + crate::wire::any::Any,
        R::Response: crate::wire::any::Any,
    {
        Self::with::<R>(key, Codec::of::<R>(), Codec::of::<R::Response>())
    }

    const fn with<R: Request>(key: ApiKey, request: Codec, response: Codec) -> Self {
        assert!(
            key as i16 == R::KEY,
            "the list and the table disagree about a key"
        );
        let (name, versions, flexible) = (R::NAME, R::VERSIONS, R::FLEXIBLE);
        Self {
            key,
            name,
            versions,
            flexible,
            request,
            response,
        }
    }

    /// The API with this key.
    #[must_use]
    pub fn find(key: i16) -> Option<&'static Self> {
        APIS.iter().find(|api| api.key as i16 == key)
    }
}

impl Codec {
    #[cfg(not(any(test, feature = "any")))]
    const fn of<T: Struct + Debug + Send + 'static>() -> Self {
        Self {
            schema: T::TYPE,
            decode: |r| Ok(Box::new(T::decode(r)?)),
        }
    }

    #[cfg(any(test, feature = "any"))]
    const fn of<T: Struct + crate::wire::any::Any + Debug + Send + 'static>() -> Self {
        Self {
            schema: T::TYPE,
            decode: |r| Ok(Box::new(T::decode(r)?)),
            any: |g| Box::new(T::any(g)),
        }
    }
}

#[cfg(test)]
mod tests;
