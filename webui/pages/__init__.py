"""The pages: a file a page.

Each is whole without JavaScript. A page that is kept fresh asks for a part of itself (`?part=…`),
which is rendered by the same template as the whole.
"""
