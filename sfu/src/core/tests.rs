//! The whole core in memory.
