"""A run as one HTML file that works by double click, without server and without network.

`page` is the door.  The data of the run stand in the page as JSON, packed in columns by
`event_table` and `lane_table`; the drawing is done by the scripts in `js/`, in the browser.
"""
