module ask

go 1.24
