//! How is a GraphQL operation checked against GitHub's schema, and answered?

use crate::state::State;
use crate::wire::{Refusal, Reply, Request};

/// Answers `POST /graphql`.
pub(crate) fn serve(state: &mut State, request: &Request) -> Reply {
    state.violate("graphql", request.at(), "not played yet");
    Refusal::new(501, "not played yet").reply()
}
