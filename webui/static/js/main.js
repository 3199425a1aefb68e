// What every page does.

import { showBusy } from "./lib/busy.js";
import { offerCopies } from "./lib/copy.js";
import { offerDialogs } from "./lib/dialogs.js";
import { showEdges } from "./lib/edges.js";
import { offerNotices } from "./lib/notices.js";
import { keepFresh } from "./lib/refresh.js";
import { offerSearch } from "./lib/search.js";
import { offerShortcuts } from "./lib/shortcuts.js";
import { offerThemes } from "./lib/theme.js";
import { keepTimesFresh } from "./lib/times.js";

document.documentElement.dataset.scripted = ""; // what needs a script may be shown now
offerThemes();
offerCopies();
offerDialogs();
offerSearch();
offerShortcuts();
showBusy();
showEdges();
keepTimesFresh();
for (const element of document.querySelectorAll("[data-refresh]")) keepFresh(element);
offerNotices();
