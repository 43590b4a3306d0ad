"""`trapcam detect`: files on a desk, looked at one by one; and what other long commands share."""
