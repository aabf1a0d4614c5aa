"""Decision points after the switch: opened on time with a frozen snapshot; silence asks the next one."""
