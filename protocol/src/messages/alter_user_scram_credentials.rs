//! Adding and removing SCRAM users (KIP-554).

use super::*;

api! {
    AlterUserScramCredentialsRequest => AlterUserScramCredentialsResponse, key 51, versions 0-0, flexible 0+;

    struct AlterUserScramCredentialsRequest {
        deletions:  Vec<ScramCredentialDeletion>,
        upsertions: Vec<ScramCredentialUpsertion>,
    }

    struct ScramCredentialDeletion { name: Arc<str>, mechanism: i8 }

    struct ScramCredentialUpsertion {
        name:            Arc<str>,
        mechanism:       i8,
        iterations:      i32,
        salt:            Bytes,
        salted_password: Bytes,
    }

    struct AlterUserScramCredentialsResponse {
        throttle_time_ms: i32,
        results:          Vec<AlterUserScramCredentialsResult>,
    }

    struct AlterUserScramCredentialsResult {
        user:          Arc<str>,
        error_code:    ErrorCode,
        error_message: Option<Arc<str>>,
    }
}
