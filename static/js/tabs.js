// On a narrow screen the tabs scroll: bring the current one into sight without moving the page.
const links = document.querySelector(".tab-links");
const current = links?.querySelector('[aria-current="page"]');
if (current) links.scrollLeft += current.getBoundingClientRect().left - links.getBoundingClientRect().left - links.clientWidth / 3;
