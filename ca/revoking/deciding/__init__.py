"""What ends: events of the register, an officer's word, orders about many certificates.

Read in this order: people (a resident as the register and the lists know him), desk (events: known or new, decided,
recorded), quarantine (what the rules could not decide); delivery (what a case's last step ends), at_window (hand-over,
discard, what holders ask for and report); by_hand (one certificate), by_holder (one, as its holder asked on line);
order_file, mass (many).
"""
