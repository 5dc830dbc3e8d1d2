// The way back to where what is new begins, while that is above what is on screen.

import { byId, icon } from "./dom.js";

const ROOM_PX = 80;
const PAGES = 20;

export class NewsPill {
  /** `log` gives room, scroller, list, the act older, and is told by `atEnd` and `render`. */
  constructor(log) {
    this.log = log;
    this.node = byId("news");
    byId("news-jump").onclick = () => this.jump();
    byId("news-close").onclick = () => this.dismiss();
  }

  line() {
    return this.log.list.querySelector(".new-line");
  }

  render() {
    const { fresh } = this.log.room;
    fresh.met ||= this.met();
    const text = fresh.met ? "" : fresh.count === 1 ? "1 new message" : `${fresh.count} new messages`;
    this.node.hidden = !text;
    if (text && this.node.dataset.text !== text) byId("news-jump").replaceChildren(icon("up"), text);
    this.node.dataset.text = text;
  }

  /** Whether the reader has come upon the line, or there is none to come upon. */
  met() {
    const { room, scroller } = this.log;
    if (!room.loaded) return false;
    const line = this.line();
    if (!line || !room.fresh.whole) return room.fresh.whole;
    return line.getBoundingClientRect().bottom > scroller.getBoundingClientRect().top;
  }

  /** Goes where the new begins; reads older pages until that is here. */
  async jump() {
    const { log } = this;
    const { room, scroller } = log;
    log.atEnd = false;
    for (let page = 0; page < PAGES && log.room === room && !room.fresh.whole && !room.olderProblem; page += 1) await log.actions.older();
    if (log.room !== room) return;
    const line = this.line();
    if (line) scroller.scrollTop += line.getBoundingClientRect().top - scroller.getBoundingClientRect().top - ROOM_PX;
    this.dismiss();
    scroller.focus({ preventScroll: true });
  }

  dismiss() {
    this.log.room.fresh.met = true;
    this.render();
  }
}
