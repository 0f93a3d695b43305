def show(opening):
    pass
