//! Answers: their records in order, settled, taken apart from messages.
