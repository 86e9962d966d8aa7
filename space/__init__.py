"""The demo: screens, theme, texts and example inputs."""
