# "quoted" <xml> & 100% of it: 𝒳
x = "𝒳"; bad(1)
