"""The prompt gate: refuses prompts that sexualise minors. Always on; docs/decisions/0014 says why and where it ends."""
