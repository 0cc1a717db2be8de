"""The pages people use: templates, style, small scripts, and the values that fill them. Knows neither HTTP nor SQL."""
