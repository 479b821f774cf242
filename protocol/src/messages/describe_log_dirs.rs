//! What the disks of a broker hold (KIP-113, KIP-827).

use super::*;

api! {
    DescribeLogDirsRequest => DescribeLogDirsResponse, key 35, versions 1-5, flexible 2+;

    struct DescribeLogDirsRequest { topics: Option<Vec<DescribableLogDirTopic>> }

    struct DescribableLogDirTopic { topic: Arc<str>, partitions: Vec<i32> }

    struct DescribeLogDirsResponse {
        throttle_time_ms: i32,
        error_code:       ErrorCode                  [3+],
        results:          Vec<DescribeLogDirsResult>,
    }

    struct DescribeLogDirsResult {
        error_code:   ErrorCode,
        log_dir:      Arc<str>,
        topics:       Vec<DescribeLogDirsTopic>,
        total_bytes:  i64                       [4+] = -1,
        usable_bytes: i64                       [4+] = -1,
        is_cordoned:  bool                      [5+],
    }

    struct DescribeLogDirsTopic { name: Arc<str>, partitions: Vec<DescribeLogDirsPartition> }

    struct DescribeLogDirsPartition {
        partition_index: i32,
        partition_size:  i64,
        offset_lag:      i64,
        is_future_key:   bool,
    }
}
