"""The document of the API as a page: HTML without scripts, and one style sheet that travels in the package."""
