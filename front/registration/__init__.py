"""Registration for machines and for people at windows.

The machine interface, in this order: operations (a row is a route and its description), answers, api_cases, api_ends and
holder_requests, api_media, feeds, describing (OpenAPI), api (all of them). The window's pages: window and what it names.
"""
