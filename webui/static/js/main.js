// What every page does.

import { offerCopies } from "./copy.js";
import { keepFresh } from "./refresh.js";
import { offerThemes } from "./theme.js";
import { keepTelling } from "./times.js";

offerThemes();
offerCopies();
keepTelling();
for (const element of document.querySelectorAll("[data-refresh]")) keepFresh(element);
