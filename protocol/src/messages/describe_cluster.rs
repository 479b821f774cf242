//! Brokers or controllers of the cluster (KIP-700, KIP-919, KIP-1073).

use super::*;

api! {
    DescribeClusterRequest => DescribeClusterResponse, key 60, versions 0-2, flexible 0+;

    struct DescribeClusterRequest {
        include_cluster_authorized_operations: bool,
        endpoint_type:                         i8   [must 1+] = 1,
        include_fenced_brokers:                bool [must 2+],
    }

    struct DescribeClusterResponse {
        throttle_time_ms:              i32,
        error_code:                    ErrorCode,
        error_message:                 Option<Arc<str>>,
        endpoint_type:                 i8                         [must 1+] = 1,
        cluster_id:                    Arc<str>,
        controller_id:                 i32 = -1,
        brokers:                       Vec<DescribeClusterBroker>,
        cluster_authorized_operations: i32 = i32::MIN,
    }

    struct DescribeClusterBroker {
        broker_id: i32,
        host:      Arc<str>,
        port:      i32,
        rack:      Option<Arc<str>>,
        is_fenced: bool             [must 2+],
    }
}
