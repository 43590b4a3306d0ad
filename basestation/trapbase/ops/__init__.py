"""How a running base is watched: systemd, log, figures, and the screen of `trapbase status`."""
