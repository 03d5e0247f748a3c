'use strict';

// Draws what the emulator tells of a place, and asks again each second while somebody looks.
//
// The place is the part of the address behind `#/`, and what is there is told at `lab/` and the same text. Whatever comes from the
// emulator becomes text (`textContent`) or a link within this page, never markup. What is drawn already is changed in place, so that
// neither the focus nor a selection is lost when something changes.

(() => {
  // Milliseconds from an answer to the next question.
  const EVERY = 1000;
  // Milliseconds from the last key to a narrower list.
  const TYPING = 250;
  const TONES = new Set(['good', 'busy', 'bad']);
  // What stays in one line in a table: an id, a time, the name of an action.
  const WHOLE = /^\S{1,32}$/;
  const PLACE = /^[a-z]+(\/[a-z0-9.-]+)?(\?.*)?$/;

  const by = (id) => document.getElementById(id);
  const here = () => location.hash.replace(/^#\//, '') || 'overview';
  const pathOf = (place) => place.split('?')[0];

  let paused = false;
  let timer = 0;
  let asking = null;
  // The place that is drawn and the tag of what is drawn of it.
  let drawn = '';
  let tag = null;

  // --- Asking -----------------------------------------------------------------------------------

  async function look() {
    clearTimeout(timer);
    asking?.abort();
    const mine = new AbortController();
    asking = mine;
    const place = here();
    try {
      await ask(place, mine);
    } catch (error) {
      if (mine.signal.aborted) return;
      lost(error);
    }
    if (!paused && asking === mine && document.visibilityState === 'visible') {
      timer = setTimeout(look, EVERY);
    }
  }

  async function ask(place, mine) {
    if (!PLACE.test(place) || place.includes('..')) {
      draw(place, nowhere('There is no such place.'));
      return;
    }
    const headers = place === drawn && tag ? { 'If-None-Match': tag } : {};
    const answer = await fetch(`lab/${place}`, { headers, signal: mine.signal, cache: 'no-store', credentials: 'omit' });
    const told = answer.status === 304 ? null : await answer.json();
    if (asking !== mine) return;
    live();
    if (told === null) return;
    draw(place, answer.ok ? told : nowhere(told.error));
    tag = answer.headers.get('ETag');
  }

  function nowhere(why) {
    return { title: 'Nothing here', trail: [], note: why, filter: null, sections: [] };
  }

  function live() {
    say(by('state'), paused ? 'Paused' : 'Live');
    by('state').classList.remove('lost');
  }

  function lost(error) {
    console.warn(error);
    if (by('state').classList.contains('lost')) return;
    by('state').classList.add('lost');
    say(by('state'), `No answer since ${new Date().toLocaleTimeString()}; trying again`);
  }

  // --- Drawing ----------------------------------------------------------------------------------

  // Only what differs is written: a screen reader would read it again.
  function say(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  function make(name, attributes = {}, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  }

  // Makes the children of `parent` those of `items`, in their order: one that is there already by its key stays the same element.
  function patch(parent, items, keyOf, create, update) {
    const keys = new Set(items.map(keyOf));
    const there = new Map();
    for (const child of [...parent.children]) {
      if (keys.has(child.dataset.key) && !there.has(child.dataset.key)) there.set(child.dataset.key, child);
      else child.remove();
    }
    let next = parent.firstElementChild;
    for (const item of items) {
      const key = keyOf(item);
      let child = there.get(key);
      if (!child) {
        child = create(item);
        child.dataset.key = key;
      }
      update(child, item);
      if (child === next) next = next.nextElementSibling;
      else parent.insertBefore(child, next);
    }
  }

  // A cell's pieces: each a text, a link to another place, or a text that is good or bad news.
  function fill(element, pieces) {
    pieces.forEach((piece, index) => {
      const name = piece.to === undefined ? 'SPAN' : 'A';
      let child = element.children[index];
      if (!child || child.tagName !== name) {
        const made = document.createElement(name);
        if (child) child.replaceWith(made);
        else element.append(made);
        child = made;
      }
      say(child, piece.text);
      if (name === 'A') child.setAttribute('href', `#/${piece.to}`);
      child.className = TONES.has(piece.tone) ? piece.tone : '';
      child.classList.toggle('whole', WHOLE.test(piece.text));
    });
    while (element.children.length > pieces.length) element.lastElementChild.remove();
  }

  function draw(place, told) {
    const held = document.activeElement;
    const home = held?.closest('section');
    const arrived = pathOf(place) !== pathOf(drawn);
    const narrowed = !arrived && place !== drawn;
    const first = drawn === '';
    drawn = place;
    tag = null;

    document.title = `${told.title} · EC2 in the lab`;
    say(by('title'), told.title);
    say(by('note'), told.note ?? '');
    by('note').hidden = !told.note;
    patch(by('trail'), told.trail, (piece) => piece.text, () => make('li'), (item, piece) => fill(item, [piece]));
    by('search').hidden = told.filter === null;
    if (held !== by('filter')) by('filter').value = new URLSearchParams(place.split('?')[1]).get('text') ?? '';
    patch(by('sections'), told.sections, (section) => section.name, createSection, drawSection);
    for (const link of by('kinds').querySelectorAll('a')) {
      if (link.getAttribute('href') === `#/${pathOf(place)}`) link.setAttribute('aria-current', 'page');
      else link.removeAttribute('aria-current');
    }

    if (arrived && !first) {
      scrollTo(0, 0);
      by('title').focus({ preventScroll: true });
    } else if (held && held !== document.body && (!held.isConnected || held.hidden)) {
      // What had the focus is gone: stay near it.
      (home?.isConnected ? home.querySelector('h2') : by('title')).focus({ preventScroll: true });
    }
    if (narrowed) {
      const tables = told.sections.filter((section) => section.table);
      say(by('found'), tables.map((section) => section.table.summary).join('; '));
    }
  }

  function createSection(section) {
    const heading = make('h2', { id: `heading-${section.name}`, tabindex: '-1' });
    const element = make('section', { 'aria-labelledby': heading.id }, heading);
    if (section.facts) {
      element.append(make('dl'));
      return element;
    }
    const table = make('table', { 'aria-labelledby': heading.id }, make('thead', {}, make('tr')), make('tbody'));
    const wide = make('div', { class: 'wide', role: 'region', tabindex: '0', 'aria-labelledby': heading.id }, table);
    const pages = make('nav', { class: 'pages', 'aria-label': `Pages of ${section.heading}` },
      make('a', { class: 'previous' }, 'Previous'), make('span'), make('a', { class: 'next' }, 'Next'));
    element.append(make('p', { class: 'summary' }), wide, pages);
    return element;
  }

  function drawSection(element, section) {
    say(element.querySelector('h2'), section.heading);
    if (section.facts) drawFacts(element.querySelector('dl'), section.facts);
    else drawTable(element, section.name, section.table);
  }

  function drawFacts(list, facts) {
    patch(list, facts, (fact) => fact[0], () => make('div', {}, make('dt'), make('dd')), (pair, [label, pieces]) => {
      say(pair.querySelector('dt'), label);
      fill(pair.querySelector('dd'), pieces);
    });
  }

  function drawTable(element, name, table) {
    say(element.querySelector('.summary'), table.summary);
    element.querySelector('.wide').hidden = table.rows.length === 0;
    patch(element.querySelector('thead tr'), table.columns, (column) => column, () => make('th', { scope: 'col' }), say);
    const create = (row) => {
      const cells = row.cells.map((_, index) => (index === 0 ? make('th', { scope: 'row' }) : make('td')));
      return make('tr', {}, ...cells);
    };
    const update = (line, row) => row.cells.forEach((pieces, index) => fill(line.children[index], pieces));
    patch(element.querySelector('tbody'), table.rows, (row) => row.key, create, update);
    drawPages(element.querySelector('.pages'), name, table);
  }

  function drawPages(pages, name, table) {
    pages.hidden = table.pages === 1;
    say(pages.querySelector('span'), `Page ${table.page} of ${table.pages}`);
    for (const [kind, page] of [['.previous', table.page - 1], ['.next', table.page + 1]]) {
      const link = pages.querySelector(kind);
      link.hidden = page < 1 || page > table.pages;
      link.href = changed((query) => query.set(name, page));
    }
  }

  // --- Moving -----------------------------------------------------------------------------------

  // The address of this place with another query string.
  function changed(change) {
    const [path, search = ''] = here().split('?');
    const query = new URLSearchParams(search);
    change(query);
    const text = query.toString();
    return `#/${path}${text ? `?${text}` : ''}`;
  }

  function narrow() {
    const text = by('filter').value.trim();
    // The pages of another list are not these pages.
    const address = changed((query) => {
      for (const key of [...query.keys()]) query.delete(key);
      if (text) query.set('text', text);
    });
    if (address === `#/${here()}`) return;
    history.replaceState(null, '', address);
    look();
  }

  let typing = 0;
  by('filter').addEventListener('input', () => {
    clearTimeout(typing);
    typing = setTimeout(narrow, TYPING);
  });
  by('search').addEventListener('submit', (event) => {
    event.preventDefault();
    clearTimeout(typing);
    narrow();
  });
  by('skip').addEventListener('click', (event) => {
    event.preventDefault();
    by('title').focus();
  });
  by('pause').addEventListener('click', () => {
    paused = !paused;
    by('pause').setAttribute('aria-pressed', String(paused));
    live();
    if (!paused) look();
    else {
      clearTimeout(timer);
      asking?.abort();
    }
  });
  addEventListener('hashchange', () => {
    clearTimeout(typing);
    look();
  });
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible' && !paused) look();
  });
  look();
})();
