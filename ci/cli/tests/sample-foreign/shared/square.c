unsigned square(unsigned number) { return number * number; }
