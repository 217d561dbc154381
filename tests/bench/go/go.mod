module issue

go 1.19
