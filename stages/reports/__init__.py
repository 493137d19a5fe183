"""For people on GitHub: pull requests, drift issues, the page of plots."""
