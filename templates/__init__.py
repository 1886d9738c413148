"""What is said: content with variables, published as versions that never change. A Django app, not a folder of pages.

`services` `publishing`   the verbs: create, edit, duplicate, archive; publish, roll back, pin
`selectors`               find by id, alias or name; what a send needs to know
`previewing`              look at a draft or version with any data
`rendering`               a version and values become subject, HTML and text
`preparing`               once per version: MJML compiled, sheets inlined, text derived
`handlebars/`             the language
`builtin/`                templates that every tenant begins with
"""
