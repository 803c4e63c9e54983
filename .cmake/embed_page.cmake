# cmake -DPAGE=FILE -DSOURCE=FILE -P embed_page.cmake: writes a source whose admin_page() is the page.
file(READ ${PAGE} text)
string(FIND "${text}" ")page\"" mark)
string(LENGTH "${text}" length)
if(NOT mark EQUAL -1 OR length GREATER 61440)
  message(FATAL_ERROR "${PAGE}: it may have 60 KB, and may not hold )page\"")
endif()
file(WRITE ${SOURCE} "#include \"core/process/admin_page.h\"\n\n"
     "std::string_view sluice::admin_page() {\n"
     "  static constexpr std::string_view text = R\"page(${text})page\";\n"
     "  return text;\n}\n")
