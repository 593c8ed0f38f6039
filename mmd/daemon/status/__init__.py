"""What shows the running daemon to those who look: the snapshot, the control socket, the page, the metrics, the words and the watch."""
