//! Offers of real peers, and offers that nobody should send.
