//! A member of a streams group describes its topology, for tools to show (KIP-1331).

use super::*;

api! {
    StreamsGroupTopologyDescriptionUpdateRequest => StreamsGroupTopologyDescriptionUpdateResponse,
        key 93, versions 0-0, flexible 0+;

    struct StreamsGroupTopologyDescriptionUpdateRequest {
        group_id:             Arc<str>,
        member_id:            Arc<str>,
        topology_epoch:       i32,
        topology_description: StreamsGroupTopologyDescription,
    }

    struct StreamsGroupTopologyDescriptionUpdateResponse {
        throttle_time_ms: i32,
        error_code:       ErrorCode,
        error_message:    Option<Arc<str>>,
    }

    struct StreamsGroupTopologyDescription {
        subtopologies: Vec<StreamsGroupTopologyDescriptionSubtopology>,
        global_stores: Vec<StreamsGroupTopologyDescriptionGlobalStore>,
    }

    struct StreamsGroupTopologyDescriptionSubtopology {
        subtopology_id: Arc<str>,
        nodes:          Vec<StreamsGroupTopologyDescriptionNode>,
    }

    struct StreamsGroupTopologyDescriptionGlobalStore {
        source:    StreamsGroupTopologyDescriptionNode,
        processor: StreamsGroupTopologyDescriptionNode,
    }

    struct StreamsGroupTopologyDescriptionNode {
        name:          Arc<str>,
        node_type:     i8,
        source_topics: Vec<Arc<str>>,
        sink_topic:    Option<Arc<str>>,
        stores:        Vec<Arc<str>>,
        successors:    Vec<Arc<str>>,
    }
}
