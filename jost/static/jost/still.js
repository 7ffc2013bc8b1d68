// Draws the plots of a page whose figures do not move.
import { drawAll } from "./plots.js";

drawAll();
