// What every page does.

import { offerCopies } from "./lib/copy.js";
import { offerDialogs } from "./lib/dialogs.js";
import { keepFresh } from "./lib/refresh.js";
import { offerThemes } from "./lib/theme.js";
import { keepTimesFresh } from "./lib/times.js";

offerThemes();
offerCopies();
offerDialogs();
keepTimesFresh();
for (const element of document.querySelectorAll("[data-refresh]")) keepFresh(element);
