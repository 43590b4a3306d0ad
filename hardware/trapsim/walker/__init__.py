"""Somebody who walks past the demo's traps when a walk test has begun on a trap's page."""
