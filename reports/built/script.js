// Makes a page that is complete without it easier to read: a message can be followed, the journal
// filtered, sections folded by keys, commands copied. It asks nothing of anybody and keeps nothing.
"use strict";
(() => {
    const all = (selector, within = document) => [...within.querySelectorAll(selector)];
    const one = (id) => document.getElementById(id);
    const make = (name, text, parent) => {
        const made = document.createElement(name);
        made.textContent = text;
        if (parent)
            parent.append(made);
        return made;
    };
    // What is linked to may be folded away.
    const unfold = (it) => {
        for (; it; it = it.parentElement)
            if (it instanceof HTMLDetailsElement)
                it.open = true;
    };
    const arrive = () => {
        const target = one(decodeURIComponent(location.hash.slice(1)));
        if (!target)
            return;
        unfold(target);
        if (target instanceof HTMLTableRowElement)
            target.hidden = false;
        target.scrollIntoView({ block: target instanceof HTMLDetailsElement ? "start" : "center" });
    };
    addEventListener("hashchange", arrive);
    // A second click on the same link changes no address.
    addEventListener("click", (event) => {
        const link = event.target instanceof Element && event.target.closest("a[href^='#']");
        if (link && link.getAttribute("href") === location.hash)
            setTimeout(arrive);
    });
    // Commands say where the page lies, where it knows that, and can be copied.
    const path = location.protocol === "file:" ? decodeURIComponent(location.pathname).replace(/\/[^/]*$/, "") : "";
    const quoted = /^[\w./@%+=:,-]+$/.test(path) ? path : "'" + path.replaceAll("'", "'\\''") + "'";
    for (const command of all(".command")) {
        if (path)
            command.textContent = (command.textContent ?? "").replace(/ \.$/, " " + quoted);
    }
    if (path)
        for (const hint of all(".verdict > .hint"))
            hint.remove();
    for (const text of all(".command, pre.copied")) {
        const button = make("button", "copy");
        button.setAttribute("aria-label", "copy " + (text.matches("pre") ? "the scenario" : text.textContent));
        text.after(button);
        button.addEventListener("click", async () => {
            try {
                await navigator.clipboard.writeText(text.textContent ?? "");
                button.textContent = "copied";
            }
            catch {
                getSelection()?.selectAllChildren(text);
                button.textContent = "selected";
            }
            setTimeout(() => { button.textContent = "copy"; }, 1500);
        });
    }
    // Following a message dims everything that is not about it, and filters the journal to it.
    let bar = null;
    let followed = "";
    const follow = (message) => {
        followed = message === followed ? "" : message;
        document.body.classList.toggle("following", followed !== "");
        for (const it of all("[data-m]"))
            it.classList.toggle("at-hand", it.getAttribute("data-m") === followed);
        bar?.remove();
        bar = null;
        if (followed) {
            bar = make("div", "", document.body);
            bar.className = "bar-below";
            bar.setAttribute("role", "status");
            make("span", "following " + followed, bar);
            make("button", "stop (Esc)", bar).addEventListener("click", () => follow(followed));
        }
        const choice = form?.elements.namedItem("message");
        if (choice instanceof HTMLSelectElement) {
            choice.value = followed;
            filter();
        }
    };
    for (const link of all("a.focus")) {
        link.addEventListener("click", () => follow(link.getAttribute("data-focus") ?? ""));
    }
    // The journal, filtered by what its cells say.
    const form = one("filter");
    const rows = all("table.journal tbody tr");
    const units = { h: 3600, m: 60, ms: 0.001 };
    // Seconds of a time as reports write it.
    const seconds = (text) => {
        let total = 0;
        for (const [, number, unit] of text.matchAll(/([\d.]+)\s*(h|ms|m|s|$)/g)) {
            total += Number(number) * (units[unit ?? ""] ?? 1);
        }
        return text.trim().startsWith("-") ? -total : total;
    };
    const filter = () => {
        if (!form)
            return;
        const given = new FormData(form);
        const wanted = (name) => String(given.get(name) ?? "").trim();
        const from = wanted("from") ? seconds(wanted("from")) : -Infinity;
        const to = wanted("to") ? seconds(wanted("to")) : Infinity;
        const text = wanted("text").toLowerCase();
        let shown = 0;
        for (const row of rows) {
            const [, time = "", where = "", what = "", message = ""] = [...row.cells].map((cell) => cell.textContent ?? "");
            const at = seconds(time);
            const fits = (!wanted("node") || where.split(" → ").includes(wanted("node")))
                && (!wanted("message") || message === wanted("message"))
                && (!wanted("endpoint") || what.endsWith(" " + wanted("endpoint")))
                && at >= from && at <= to
                && (!text || (row.textContent ?? "").toLowerCase().includes(text));
            row.hidden = !fits;
            if (fits)
                shown += 1;
        }
        const count = one("shown");
        if (count)
            count.textContent = shown + " of " + rows.length + " entries; times count from the moment the cluster was ready";
    };
    if (form) {
        form.hidden = false;
        form.addEventListener("input", filter);
        form.addEventListener("reset", () => setTimeout(filter));
        form.addEventListener("submit", (event) => event.preventDefault());
    }
    // Keys.
    const steps = () => {
        const picture = all("svg.space").find((picture) => picture.getClientRects().length > 0);
        const stops = picture ? all("a", picture) : [];
        const entry = (it) => Number(it.id.slice(1));
        return stops.sort((a, b) => entry(a) - entry(b));
    };
    const step = (by) => {
        const stops = steps();
        const now = stops.findIndex((it) => it === document.activeElement);
        const next = stops[Math.max(0, Math.min(stops.length - 1, now < 0 ? 0 : now + by))];
        next?.focus({ preventScroll: true });
        next?.scrollIntoView({ block: "center", inline: "nearest" });
    };
    const sections = () => all("details.section");
    const keys = [
        ["j", "next entry of the picture", () => step(1)],
        ["k", "entry before", () => step(-1)],
        ["v", "the violation", () => {
                const violation = all("circle.violation", all("svg.space")[0] ?? document)[0];
                unfold(violation);
                violation?.scrollIntoView({ block: "center", inline: "center" });
            }],
        ["f", "follow the message of the entry, or stop", () => follow(document.activeElement?.getAttribute("data-m") ?? followed)],
        ["/", "filter the journal", () => {
                const text = form?.elements.namedItem("text");
                if (!(text instanceof HTMLElement))
                    return;
                unfold(text);
                text.focus();
            }],
        ["e", "fold or unfold everything", () => {
                const open = sections().some((it) => !it.open);
                for (const it of sections())
                    it.open = open;
            }],
        ["c", "copy the command that runs it again", () => all(".commands button")[0]?.click()],
        ["?", "these keys", () => help.showModal()],
    ];
    const help = make("dialog", "", document.body);
    help.setAttribute("aria-label", "Keys");
    make("h2", "Keys", help);
    const list = make("dl", "", help);
    for (const [key, what] of [...keys, ["Esc", "stop following"]]) {
        make("kbd", key, make("dt", "", list));
        make("dd", what, list);
    }
    make("button", "close", help).addEventListener("click", () => help.close());
    if (all("svg.space").length)
        make("p", "Keys: press ? for a list.", one("verdict") ?? document.body).className = "hint";
    addEventListener("keydown", (event) => {
        if (event.ctrlKey || event.metaKey || event.altKey)
            return;
        const typing = event.target instanceof Element && event.target.matches("input, select, textarea");
        if (event.key === "Escape" && followed)
            return follow(followed);
        if (typing)
            return;
        const known = keys.find(([key]) => key === event.key);
        if (!known)
            return;
        event.preventDefault();
        known[2]();
    });
    if (location.hash)
        arrive();
})();
