"""`anime-gen studio`: one page that serves any runs. Needs the extra `studio`."""
