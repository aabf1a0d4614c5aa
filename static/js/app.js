// The scripts of every page. Each brings one behaviour and does nothing where its elements are missing.
import "./live.js";
import "./clock.js";
import "./panels.js";
import "./stale.js";
import "./values.js";
import "./readings.js";
import "./alarm.js";
import "./guard.js";
import "./forms.js";
import "./keys.js";
import "./tabs.js";
import "./theme.js";
import "./sound.js";
import "./decision.js";

if (document.querySelector("[data-output]")) import("./scripts.js");
if (document.querySelector("[data-chart]")) import("./chart.js");
