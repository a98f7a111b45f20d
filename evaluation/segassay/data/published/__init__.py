"""Published data: download the files of published labs, and make dataset folders of them."""
