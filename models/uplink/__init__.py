"""The way to the platform, as rules: which path, when again, what an answer means, what is sent."""
