"""The trap's budgets, measured: time to the first judged frame, memory, bytes written, CPU seconds by stage."""
