//! Who may write: members, devices, credentials and invitations as a function of the control entries.
