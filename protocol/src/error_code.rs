//! What a broker says went wrong.

use std::fmt;

use crate::wire::{DecodeError, Outcome, Reader, Type, Wire, Writer};

/// The error code of a response (`org.apache.kafka.common.protocol.Errors`). Codes this crate does
/// not know are kept, so a newer broker can still be understood in part.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ErrorCode(pub i16);

macro_rules! codes {
    ($($code:literal $name:ident $retriable:literal $message:literal)*) => {
        #[allow(missing_docs, reason = "`message` says what each means")]
        impl ErrorCode {
            $( pub const $name: Self = Self($code); )*

            /// Kafka's name of the code, `None` for one this crate does not know.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $( $code => Some(stringify!($name)), )*
                    _ => None,
                }
            }

            /// Whether the same request may succeed later (`RetriableException`).
            #[must_use]
            pub const fn is_retriable(self) -> bool {
                match self.0 {
                    $( $code => $retriable, )*
                    _ => false,
                }
            }

            /// What the code means, in a few words.
            #[must_use]
            pub const fn message(self) -> &'static str {
                match self.0 {
                    $( $code => $message, )*
                    _ => "an error this client does not know",
                }
            }
        }
    };
}

codes! {
     -1 UNKNOWN_SERVER_ERROR                  false "the broker failed in a way it has no code for"
      0 NONE                                  false "no error"
      1 OFFSET_OUT_OF_RANGE                   false "the log holds no such offset"
      2 CORRUPT_MESSAGE                       true  "a record batch fails its checksum, or is too large or malformed"
      3 UNKNOWN_TOPIC_OR_PARTITION            true  "the broker does not host this topic or partition"
      4 INVALID_FETCH_SIZE                    false "the requested fetch size is invalid"
      5 LEADER_NOT_AVAILABLE                  true  "an election is going on and there is no leader yet"
      6 NOT_LEADER_OR_FOLLOWER                true  "this broker does not lead the partition"
      7 REQUEST_TIMED_OUT                     true  "the request was not done in the time it allowed"
      8 BROKER_NOT_AVAILABLE                  false "the broker is not available"
      9 REPLICA_NOT_AVAILABLE                 true  "the replica is not available on this broker"
     10 MESSAGE_TOO_LARGE                     false "the batch is larger than the broker takes (max.message.bytes)"
     11 STALE_CONTROLLER_EPOCH                false "the controller moved to another broker"
     12 OFFSET_METADATA_TOO_LARGE             false "the metadata of a committed offset is too long"
     13 NETWORK_EXCEPTION                     true  "the connection was lost before an answer came"
     14 COORDINATOR_LOAD_IN_PROGRESS          true  "the coordinator is still loading its state"
     15 COORDINATOR_NOT_AVAILABLE             true  "there is no coordinator yet"
     16 NOT_COORDINATOR                       true  "this broker is not the coordinator"
     17 INVALID_TOPIC_EXCEPTION               false "the topic name is not valid"
     18 RECORD_LIST_TOO_LARGE                 false "the batch is larger than a segment of the broker"
     19 NOT_ENOUGH_REPLICAS                   true  "fewer replicas are in sync than min.insync.replicas asks for"
     20 NOT_ENOUGH_REPLICAS_AFTER_APPEND      true  "written, but to fewer in-sync replicas than asked for"
     21 INVALID_REQUIRED_ACKS                 false "acks must be 0, 1 or -1"
     22 ILLEGAL_GENERATION                    false "the generation of the group is over"
     23 INCONSISTENT_GROUP_PROTOCOL           false "the members of the group have no protocol in common"
     24 INVALID_GROUP_ID                      false "the group id is not valid"
     25 UNKNOWN_MEMBER_ID                     false "the group does not know this member"
     26 INVALID_SESSION_TIMEOUT               false "the session timeout is outside what the broker allows"
     27 REBALANCE_IN_PROGRESS                 false "the group is rebalancing; the member must join again"
     28 INVALID_COMMIT_OFFSET_SIZE            false "the committed offset is too large to be stored"
     29 TOPIC_AUTHORIZATION_FAILED            false "access to the topic is denied"
     30 GROUP_AUTHORIZATION_FAILED            false "access to the group is denied"
     31 CLUSTER_AUTHORIZATION_FAILED          false "access to the cluster is denied"
     32 INVALID_TIMESTAMP                     false "the timestamp is outside what the topic allows"
     33 UNSUPPORTED_SASL_MECHANISM            false "the broker does not offer this SASL mechanism"
     34 ILLEGAL_SASL_STATE                    false "a SASL request came out of turn"
     35 UNSUPPORTED_VERSION                   false "the broker does not speak this version of the request"
     36 TOPIC_ALREADY_EXISTS                  false "the topic exists already"
     37 INVALID_PARTITIONS                    false "the number of partitions is not valid"
     38 INVALID_REPLICATION_FACTOR            false "the replication factor is below 1, or above the number of brokers"
     39 INVALID_REPLICA_ASSIGNMENT            false "the replica assignment is not valid"
     40 INVALID_CONFIG                        false "a configuration is not valid"
     41 NOT_CONTROLLER                        true  "this broker is not the controller"
     42 INVALID_REQUEST                       false "the request makes no sense to the broker"
     43 UNSUPPORTED_FOR_MESSAGE_FORMAT        false "the message format does not support the request"
     44 POLICY_VIOLATION                      false "a policy of the cluster forbids it"
     45 OUT_OF_ORDER_SEQUENCE_NUMBER          false "a batch is missing before this one of the same producer"
     46 DUPLICATE_SEQUENCE_NUMBER             false "the batch was written before"
     47 INVALID_PRODUCER_EPOCH                false "the producer has been replaced by one of a newer epoch"
     48 INVALID_TXN_STATE                     false "the transaction is not in a state that allows it"
     49 INVALID_PRODUCER_ID_MAPPING           false "the producer id does not belong to this transactional id"
     50 INVALID_TRANSACTION_TIMEOUT           false "the transaction timeout is longer than the broker allows"
     51 CONCURRENT_TRANSACTIONS               true  "another operation of the same transaction is going on"
     52 TRANSACTION_COORDINATOR_FENCED        false "the coordinator of the transaction has been replaced"
     53 TRANSACTIONAL_ID_AUTHORIZATION_FAILED false "access to the transactional id is denied"
     54 SECURITY_DISABLED                     false "security is not enabled on the broker"
     55 OPERATION_NOT_ATTEMPTED               false "not attempted, since something else in the request failed"
     56 KAFKA_STORAGE_ERROR                   true  "the broker cannot read or write its disk"
     57 LOG_DIR_NOT_FOUND                     false "the disk of the replica is not known"
     58 SASL_AUTHENTICATION_FAILED            false "the credentials were refused"
     59 UNKNOWN_PRODUCER_ID                   false "the broker has forgotten this producer"
     60 REASSIGNMENT_IN_PROGRESS              false "the partition is being moved"
     61 DELEGATION_TOKEN_AUTH_DISABLED        false "delegation tokens are not enabled"
     62 DELEGATION_TOKEN_NOT_FOUND            false "there is no such delegation token"
     63 DELEGATION_TOKEN_OWNER_MISMATCH       false "the delegation token belongs to another principal"
     64 DELEGATION_TOKEN_REQUEST_NOT_ALLOWED  false "delegation tokens are not given over this kind of connection"
     65 DELEGATION_TOKEN_AUTHORIZATION_FAILED false "access to the delegation token is denied"
     66 DELEGATION_TOKEN_EXPIRED              false "the delegation token has expired"
     67 INVALID_PRINCIPAL_TYPE                false "the kind of principal is not supported"
     68 NON_EMPTY_GROUP                       false "the group still has members"
     69 GROUP_ID_NOT_FOUND                    false "there is no such group"
     70 FETCH_SESSION_ID_NOT_FOUND            true  "the broker has forgotten the fetch session"
     71 INVALID_FETCH_SESSION_EPOCH           true  "the fetch session is at another epoch"
     72 LISTENER_NOT_FOUND                    true  "the leader has no listener of the name the client came by"
     73 TOPIC_DELETION_DISABLED               false "deleting topics is disabled"
     74 FENCED_LEADER_EPOCH                   true  "the leader epoch is older than the broker's"
     75 UNKNOWN_LEADER_EPOCH                  true  "the leader epoch is newer than the broker's"
     76 UNSUPPORTED_COMPRESSION_TYPE          false "the request version cannot carry this compression"
     77 STALE_BROKER_EPOCH                    false "the broker has been restarted since"
     78 OFFSET_NOT_AVAILABLE                  true  "the offset cannot be known until the new leader has caught up"
     79 MEMBER_ID_REQUIRED                    false "the member must join again with the id it was given"
     80 PREFERRED_LEADER_NOT_AVAILABLE        true  "the preferred leader is not available"
     81 GROUP_MAX_SIZE_REACHED                false "the group is full"
     82 FENCED_INSTANCE_ID                    false "another process has the same group.instance.id"
     83 ELIGIBLE_LEADERS_NOT_AVAILABLE        true  "no replica that could lead is available"
     84 ELECTION_NOT_NEEDED                   true  "the leader is already the one asked for"
     85 NO_REASSIGNMENT_IN_PROGRESS           false "the partition is not being moved"
     86 GROUP_SUBSCRIBED_TO_TOPIC             false "the group is subscribed to the topic"
     87 INVALID_RECORD                        false "a record was refused by the broker"
     88 UNSTABLE_OFFSET_COMMIT                true  "the offset may still change with an open transaction"
     89 THROTTLING_QUOTA_EXCEEDED             true  "the quota is used up for now"
     90 PRODUCER_FENCED                       false "a newer producer with the same transactional id has taken over"
     91 RESOURCE_NOT_FOUND                    false "there is no such resource"
     92 DUPLICATE_RESOURCE                    false "there are two of the same resource"
     93 UNACCEPTABLE_CREDENTIAL               false "the credential does not meet the requirements"
     94 INCONSISTENT_VOTER_SET                false "the voter sets differ"
     95 INVALID_UPDATE_VERSION                false "the update does not follow the current version"
     96 FEATURE_UPDATE_FAILED                 false "the features could not be updated"
     97 PRINCIPAL_DESERIALIZATION_FAILURE     false "the principal of a forwarded request cannot be read"
     98 SNAPSHOT_NOT_FOUND                    false "there is no such snapshot"
     99 POSITION_OUT_OF_RANGE                 false "the position is outside the snapshot"
    100 UNKNOWN_TOPIC_ID                      true  "the broker does not know this topic id"
    101 DUPLICATE_BROKER_REGISTRATION         false "the broker id is taken"
    102 BROKER_ID_NOT_REGISTERED              false "the broker id is not registered"
    103 INCONSISTENT_TOPIC_ID                 true  "the topic id is not the one in the log"
    104 INCONSISTENT_CLUSTER_ID               false "the cluster id is another"
    105 TRANSACTIONAL_ID_NOT_FOUND            false "there is no such transactional id"
    106 FETCH_SESSION_TOPIC_ID_ERROR          true  "a topic id of the fetch session is not known any more"
    107 INELIGIBLE_REPLICA                    false "the replica may not be in sync"
    108 NEW_LEADER_ELECTED                    false "a new leader was elected meanwhile"
    109 OFFSET_MOVED_TO_TIERED_STORAGE        false "the offset is in tiered storage"
    110 FENCED_MEMBER_EPOCH                   false "the member has been fenced by the group and must join again"
    111 UNRELEASED_INSTANCE_ID                false "another member still uses this group.instance.id"
    112 UNSUPPORTED_ASSIGNOR                  false "the group offers no such assignor"
    113 STALE_MEMBER_EPOCH                    false "the member's epoch is behind"
    114 MISMATCHED_ENDPOINT_TYPE              false "the request was sent to the wrong kind of endpoint"
    115 UNSUPPORTED_ENDPOINT_TYPE             false "the kind of endpoint is not supported"
    116 UNKNOWN_CONTROLLER_ID                 false "the controller id is not known"
    117 UNKNOWN_SUBSCRIPTION_ID               false "the telemetry subscription has changed"
    118 TELEMETRY_TOO_LARGE                   false "the telemetry is larger than the broker takes"
    119 INVALID_REGISTRATION                  false "the registration is not valid"
    120 TRANSACTION_ABORTABLE                 false "the transaction must be aborted"
    121 INVALID_RECORD_STATE                  false "the state of the record does not allow it"
    122 SHARE_SESSION_NOT_FOUND               true  "the broker has forgotten the share session"
    123 INVALID_SHARE_SESSION_EPOCH           true  "the share session is at another epoch"
    124 FENCED_STATE_EPOCH                    false "the share coordinator has a newer state"
    125 INVALID_VOTER_KEY                     false "the voter key does not fit"
    126 DUPLICATE_VOTER                       false "the voter is in the set already"
    127 VOTER_NOT_FOUND                       false "the voter is not in the set"
    128 INVALID_REGULAR_EXPRESSION            false "the regular expression is not valid"
    129 REBOOTSTRAP_REQUIRED                  false "the client must start again from its bootstrap servers"
    130 STREAMS_INVALID_TOPOLOGY              false "the topology of the streams group is not valid"
    131 STREAMS_INVALID_TOPOLOGY_EPOCH        false "the epoch of the streams topology is not valid"
    132 STREAMS_TOPOLOGY_FENCED               false "the streams topology has been replaced"
    133 SHARE_SESSION_LIMIT_REACHED           true  "the broker holds as many share sessions as it may"
    134 GROUP_DELETION_FAILED                 false "the group could not be deleted"
    135 STREAMS_TOPOLOGY_DESCRIPTION_UPDATE_FAILED false "the description of the streams topology could not be stored"
    136 CONTROLLER_ID_NOT_REGISTERED          false "the controller id is not registered"
}

impl ErrorCode {
    /// Whether this is no error.
    #[inline]
    #[must_use]
    pub const fn is_ok(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name}: {}", self.message()),
            None => write!(f, "error code {}", self.0),
        }
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "ErrorCode({})", self.0),
        }
    }
}

impl Wire for ErrorCode {
    const TYPE: Type = Type::Int16;
    const IS_ERROR: bool = true;

    fn outcome(&self) -> Outcome {
        Outcome::All(*self)
    }

    fn encode(&self, w: &mut Writer) {
        self.0.encode(w);
    }

    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        i16::decode(r).map(Self)
    }
}

#[cfg(any(test, feature = "any"))]
impl crate::wire::any::Any for ErrorCode {
    fn any(g: &mut crate::wire::any::Gen) -> Self {
        Self(i16::any(g))
    }
}
