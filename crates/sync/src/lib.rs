//! Two peers compare what they have and exchange what is missing: messages in, messages out, no socket.
