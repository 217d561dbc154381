"""Pure decisions: values in, a value or an error out. No third-party import, no file, no clock.

Read in this order: validity (how long a certificate lasts), registration (an application's life and who may take
which step), revocation (the only reading of "is it revoked"), key_steps and generations (the life of a CA key),
certifying (what it may certify where it stands).
"""
