"""What all pages share: words in two languages, the frame around a page, forms, and who is behind a request.

Read texts (words), visit (who asks, in which language), guard (what a request must show before it changes anything),
forms (what was typed, field by field), then rendering. The pages themselves lie in signing_in, registration, local and
console, each with its templates and words.
"""
