//! PomoRA plans on timely and differential dataflow: the independent oracle, and N workers.
