"""Who is told when something happens: the rules, the rates, the ways out, and the thread that delivers."""
